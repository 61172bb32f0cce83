"""Add-on marketplace and provisioning broker."""
