"""How does the whole application run on one machine, without Docker and without AWS?"""
