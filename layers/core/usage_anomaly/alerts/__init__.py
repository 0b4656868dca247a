"""How is it said to a person?"""
