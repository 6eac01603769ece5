"""What goes out by itself: subscriptions, the deliverer that follows the log for them, and the ways to a receiver."""
