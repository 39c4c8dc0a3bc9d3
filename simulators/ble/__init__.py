"""A virtual radio: advertisers and GATT devices as twins, an adapter that one program may have."""
