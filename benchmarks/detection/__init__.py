"""How well are incidents found, and how often is a harmless day told, beside other detectors?"""
