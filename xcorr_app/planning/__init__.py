"""What a run will do, settled before it starts: data, pairs, elements, shares."""
