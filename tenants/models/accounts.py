"""Who may ask: people (User, Member) and programs (ApiKey, OperatorKey)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models.base import TenantRow, new_id
from tenants.states import ApiScope, MemberRole


class UserManager(BaseUserManager["User"]):
    """Makes users by their e-mail address, in lower case: one person, one account."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user with a hashed password, or none that works."""
        user = self.model(email=self.normalise(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    @staticmethod
    def normalise(email: str) -> str:
        """The form under which an address is stored and looked up."""
        return email.strip().lower()

    def get_by_natural_key(self, username: str | None) -> User:
        """Sign-in by address, whatever its case."""
        return self.get(email=self.normalise(username or ""))


class User(AbstractUser):
    """A person who signs in to the console: an operator, or a member of one or more tenants."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = None  # type: ignore[assignment]  # people sign in by e-mail address
    email = models.EmailField(unique=True)
    is_operator = models.BooleanField(default=False)
    # Unused. Named apart from those of auth.User, which a project that installs this app may keep for its own people.
    groups: Any = models.ManyToManyField("auth.Group", blank=True, related_name="gateway_users")
    user_permissions: Any = models.ManyToManyField(
        "auth.Permission", blank=True, related_name="gateway_users"
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # no username


class Member(TenantRow):
    """A user's place in one tenant."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=MemberRole.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            TenantRow.own_id("member_own_id"),
            models.UniqueConstraint(fields=["tenant", "user"], name="member_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=MemberRole.values), name="member_role_known"
            ),
        ]


class Credential(models.Model):
    """A bearer key of a program: only its SHA-256 digest is stored. The key has 178 random bits, so a fast digest is as
    safe as a slow one, and the digest can be indexed."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


class ApiKey(Credential, TenantRow):
    """A tenant app's credential: the tenant comes from it and from nothing else."""

    scopes = ArrayField(models.CharField(max_length=32, choices=ApiScope.choices))

    class Meta:
        constraints = [
            TenantRow.own_id("api_key_own_id"),
            models.UniqueConstraint(fields=["tenant", "digest"], name="api_key_digest_once"),
        ]
        indexes = [models.Index(fields=["digest"], name="api_key_by_digest")]


class OperatorKey(Credential):
    """A credential of the SaaS company itself, for its own automation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="operator_key_digest_once"),
        ]
