"""The script that draws figures, as it is held in a page."""


def read_plotly_script() -> str:
    """Plotly's, which nothing in it can end before its time."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")
