"""What a route is called at its brokers: users give rights to these names and find their queues by them."""

from bridge.ports import Place
from config.names import Names


def test_names_of_a_route() -> None:
    own = Names("shop", "orders", "node-1")
    assert own.group == "fedbridge.shop.orders"
    assert own.client_id == "fedbridge.shop.orders.source.node-1"
    assert own.client_id_of("copy") == "fedbridge.shop.orders.copy.node-1"
    assert own.consumer == "node-1"
    assert own.member == "shop.orders.node-1"
    assert Place("shop", "node-1", "orders", 4000, 1 << 25).names == own
