"""Known media: films whose frames carry their numbers, beeps, and what of them a recorded video shows."""
