"""Contract tests of targets, heads, balances, strategies, backbones and readers, those of plug-ins included.

Run them with `CANDELABRA_PLUGINS=./mine pytest --pyargs candelabra.contracts`; they need pytest.
"""
