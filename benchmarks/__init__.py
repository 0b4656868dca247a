"""What do reading, the layers and the beginnings of functions cost?"""
