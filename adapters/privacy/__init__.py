"""Personal data: sealed before it is stored, opened for those who may, forgotten when its key is destroyed."""
