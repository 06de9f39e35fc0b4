"""The demo: two tenants, a CSV of sealed records, and the proof that each Region decrypts with its own key."""
