"""The life of a cart: filled, taken to the till, perhaps filled again."""

from domain.kinds.sale import CartUpdated, CheckoutStarted
from domain.lifecycle import Lifecycle

CART = Lifecycle(
    "cart",
    opens={CartUpdated: "filled"},
    steps={
        "filled": {CartUpdated: "filled", CheckoutStarted: "till"},
        "till": {CartUpdated: "filled", CheckoutStarted: "till"},
    },
    never="never filled",
    twice="filled twice",
    refuses={},
)
