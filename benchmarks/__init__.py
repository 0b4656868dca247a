"""What do reading, the layers and the beginnings of functions cost, and how well are incidents found?"""
