"""`mayak bench`: the figures that the README names, measured on this machine."""
