"""Where pictures come from: folders and archives, their layouts, and a reader for each kind."""
