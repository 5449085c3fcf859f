"""How a whole net in TEST runs when nobody looks between its layers."""
