"""The store as everybody uses it: all parts in one object."""

from __future__ import annotations

from assistant.closing import Closing
from assistant.settings import Settings, get_settings
from assistant.store import image_rows  # noqa: F401  its tables are known from here on
from assistant.store.database import Database
from assistant.store.deliveries import Deliveries
from assistant.store.export import Export
from assistant.store.failures import explained
from assistant.store.feedback import Feedback
from assistant.store.files import PictureFiles, folder_for
from assistant.store.keys import Keys
from assistant.store.preferences import Preferences
from assistant.store.streaming import stop_stalled
from assistant.store.tickets import Tickets
from assistant.store.uploads import Uploads


class Store(Export, Feedback, Preferences, Tickets, Deliveries, Keys, Uploads, Closing):
    """Threads, pictures, feedback, preferences, tickets and keys; for several threads at once.

    Whatever is asked with one `tenant` neither shows nor changes anything of another: what is not
    there and what is another's look the same.
    """

    @classmethod
    def open(cls, settings: Settings | None = None) -> Store:
        """Open, or make, the store that the settings name, and clear up after a crash.

        Args:
            settings: `database_url`, else SQLite in `data_dir`; photos are in `data_dir` in either
                case, which replicas that share a server share too. `get_settings()` by default.

        Raises:
            StoreError: it is locked, damaged, of a newer version, or cannot be reached or written.
        """
        settings = settings or get_settings()
        database = Database(settings)
        try:
            with explained(f"The data folder {settings.data_dir}"):
                files = PictureFiles(folder_for(settings.data_dir, database.identity))
            store = cls(database, files, settings)
            stop_stalled(database)
            store.sweep()
            store.warn_of_missing_files()
        except BaseException:
            database.close()
            raise
        return store

    def close(self) -> None:
        """Give the connections back; the store opens new ones where it is used again."""
        self.database.close()
