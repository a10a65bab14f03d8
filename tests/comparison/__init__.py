"""What mailhaul and other programs do in the same trouble: small experiments, into a page.

``make comparison`` runs every program that is installed and writes docs/comparison.md.
"""
