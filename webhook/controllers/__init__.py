"""Plugin pods that find no GPU are looked for, told, and evicted where the policy says so."""
