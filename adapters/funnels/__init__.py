"""Funnels over all history: their files, where their touchpoints come from, and what they answer."""
