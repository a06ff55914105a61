"""The page of each contract: static HTML, made from its schema, with nothing from elsewhere."""
