"""Pages of files from outside as pictures: `child` draws them in a process of its own, `drawer` asks it."""
