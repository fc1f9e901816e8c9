"""All mappings side by side: start-up, items, arrays, and the example of 2015."""
