"""Every word that is said to people: catalogues in gettext's `.po`, a folder for each language and a file for each
subject; `labels` is the door to them. `paper` and `reading` hold what is printed on documents and looked for in
them."""
