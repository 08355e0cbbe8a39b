-- A token that a user made, or that was made by such a token, ends with the user's role binding.

-- Role binding it was made under. NULL: made by no user
ALTER TABLE token ADD COLUMN role_binding_id BLOB REFERENCES role_binding (id) ON DELETE RESTRICT;
CREATE INDEX token_by_role_binding_id ON token (role_binding_id, id);
