"""How does a replay look as one page, without a server, a script or a network?"""
