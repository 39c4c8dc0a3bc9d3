"""From blank box to site: identities and certificates."""
