"""Random sessions that are compared with a model: what no single case thinks of.

A seed draws a script of steps; each step is a command, and the model knows which answers are
right. A failing script is made shorter before it is shown.
"""
