-- Moving an adapter: what waits for it on the host it is moving to.

-- Interface that waits for it there; null: none yet
ALTER TABLE network_adapter ADD COLUMN target_interface TEXT;
-- That host claims it
ALTER TABLE network_adapter ADD COLUMN target_claimed INTEGER NOT NULL DEFAULT 0 CHECK (target_claimed IN (0, 1));
