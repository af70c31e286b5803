"""What was done wrong to get these features, found by trying it."""
