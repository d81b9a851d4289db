// Reports of usage that go to mailboxes by themselves.

import { post } from "../core/api.js";
import { notify } from "../core/dialog.js";
import { t } from "../core/words.js";

const groupings = ["model", "route", "provider", "workspace", "key", "user", "group", "tag"];

export const reportSchedules = {
    name: "report-schedules", kind: "report_schedule", path: (context) => `/tenants/${context.tenant}/report-schedules`,
    permissions: {
        read: "report-schedules:read", create: "report-schedules:create", update: "report-schedules:update", delete: "report-schedules:delete",
    },
    title: (row) => row.name,
    columns: [
        { name: "name" }, { name: "period", show: (row) => t(`limit.period.${row.period}`) }, { name: "group_by", isWide: true, show: (row) => t(`field.${row.group_by}`) },
        { name: "next_at", kind: "ago", isWide: true }, { name: "enabled", kind: "enabled" },
    ],
    details: [
        { name: "period", show: (row) => t(`limit.period.${row.period}`) }, { name: "hour", show: (row) => `${row.hour}:00 ${row.time_zone}` },
        { name: "group_by", show: (row) => t(`field.${row.group_by}`) }, { name: "lines", kind: "number" }, { name: "recipients", kind: "list" },
        { name: "language", kind: "language" }, { name: "enabled", kind: "enabled" }, { name: "next_at", kind: "time" }, { name: "last_sent_at", kind: "time" },
        { name: "id", kind: "code" }, { name: "created_at", kind: "time" }, { name: "updated_at", kind: "time" },
    ],
    fields: () => [
        { name: "name", required: true, hint: "hint.reportName" },
        { name: "recipients", kind: "lines", required: true, hint: "hint.recipients" },
        { name: "period", kind: "choice", required: true, default: "month", values: ["day", "week", "month"].map((one) => [one, t(`limit.period.${one}`)]) },
        { name: "group_by", kind: "choice", required: true, default: "model", values: groupings.map((one) => [one, t(`field.${one}`)]) },
        { name: "language", kind: "choice", required: true, values: [["en", "English"], ["pt-BR", "Português (Brasil)"]] },
        { name: "enabled", kind: "flag", default: true },
        { name: "hour", kind: "number", isRare: true, hint: "hint.reportHour" },
        { name: "time_zone", isRare: true, placeholder: "Europe/Lisbon" },
        { name: "lines", kind: "number", isRare: true },
    ],
    actions: [{
        name: "sendNow", permission: "report-schedules:update", run: async (context) => {
            await post(`${context.one}/send`, undefined);
            notify(t("report.queued"));
        },
    }],
};
