"""The demo: pretend vendors, a small cast, and scenes whose outcomes are known beforehand."""
