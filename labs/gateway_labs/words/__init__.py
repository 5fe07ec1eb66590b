"""What the laboratory says, in the same form as the gateway's own words."""
