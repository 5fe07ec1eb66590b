-- A database for each of the two nodes, made when the server starts the first time.
CREATE DATABASE one OWNER gateway ENCODING 'UTF8';
CREATE DATABASE two OWNER gateway ENCODING 'UTF8';
