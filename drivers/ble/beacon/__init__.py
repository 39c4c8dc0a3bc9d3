"""iBeacon and Eddystone as presence."""
