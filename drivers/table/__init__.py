"""The table of drivers on the page of `drivers`: made of what each folder says of itself."""
