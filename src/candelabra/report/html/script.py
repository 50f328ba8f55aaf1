"""The plotly script that is embedded in pages."""


def read_plotly_script() -> str:
    """Return the plotly script with `</script` escaped, so that it cannot close its HTML element."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")
