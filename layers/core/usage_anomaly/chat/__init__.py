"""What can people ask about anomalies in plain words, and what do chat services read?"""
