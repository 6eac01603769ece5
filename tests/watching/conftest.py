"""Keys to a service."""

from tests.http.conftest import _folder, client, file_client, file_shop, keyring

__all__ = ["_folder", "client", "file_client", "file_shop", "keyring"]
