"""What a person does with letters at the pages, beyond the steps of the two flows."""
