"""Taking a person out of the whole state: `tradewind forget`."""
