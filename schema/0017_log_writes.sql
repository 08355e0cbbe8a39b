-- Which rows of the history are one write: somebody who asks about a revision may be told of it only when one of these
-- rows is about something that he sees.

-- First revision of the write that the row belongs to. NULL: written by an older version, a write of its own.
ALTER TABLE change_log ADD COLUMN write_first INTEGER;
