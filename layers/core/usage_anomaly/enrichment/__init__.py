"""What does a person need to know to act: whose account, what it costs, who did it, what to do?"""
