"""Paths between players."""
