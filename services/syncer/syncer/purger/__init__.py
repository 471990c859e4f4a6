"""Tell the CDN what it must no longer show."""
