"""The main job on an embedded default: mailhaul polls mailhaul's own server roles."""
