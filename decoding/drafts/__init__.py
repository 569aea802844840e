"""Drafts: tokens proposed before they are chosen, so that one forward reads several of them."""
