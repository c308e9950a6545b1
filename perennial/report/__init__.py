"""One self-contained page about what happened: `views` is what it is told, `page.render` makes it.

Only `page` needs jinja2; nothing here reads a clock, a file of the user's or AWS.
"""
