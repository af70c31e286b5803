"""Two scores: may they be compared, does the gate pass, which stage breaks."""
