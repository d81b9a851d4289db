import Domain

/// What people are written, in their language. Values are put into plain text; there is no markup to escape.
struct MailTexts {
    let language: Language
    /// Where people reach the control plane, without a slash at its end.
    let publicURL: String

    private func say(_ english: String, _ portuguese: String) -> String {
        language == .english ? english : portuguese
    }

    private func link(_ page: String, _ token: OneTimeToken) -> String {
        // Behind the #, so that no server and no proxy on the way logs it.
        "\(publicURL)/\(page)#token=\(token.reveal())"
    }

    func invitation(to tenant: String, _ token: OneTimeToken) -> (subject: String, text: String) {
        (
            say("You are invited to \(tenant)", "Convite para \(tenant)"),
            say(
                """
                You are invited to join \(tenant) on Eclusa. To accept, open this link within 7 days:

                \(link("accept-invitation", token))

                If you did not expect this, ignore the message.
                """,
                """
                Você foi convidado a participar de \(tenant) na Eclusa. Para aceitar, abra este link em \
                até 7 dias:

                \(link("accept-invitation", token))

                Se você não esperava este convite, ignore a mensagem.
                """)
        )
    }

    func signUp(_ token: OneTimeToken) -> (subject: String, text: String) {
        (
            say("Finish signing up", "Conclua seu cadastro"),
            say(
                """
                To finish signing up and choose a password, open this link within 24 hours:

                \(link("sign-up", token))

                If you did not sign up, ignore the message.
                """,
                """
                Para concluir o cadastro e escolher uma senha, abra este link em até 24 horas:

                \(link("sign-up", token))

                Se você não pediu um cadastro, ignore a mensagem.
                """)
        )
    }

    func signUpOfUser() -> (subject: String, text: String) {
        (
            say("You have an account already", "Você já tem uma conta"),
            say(
                """
                Somebody asked to sign up with this address, which has an account already. Sign in, or reset \
                your password, at:

                \(publicURL)

                If it was not you, nothing needs to be done.
                """,
                """
                Alguém pediu um cadastro com este endereço, que já tem uma conta. Entre, ou redefina sua \
                senha, em:

                \(publicURL)

                Se não foi você, nada precisa ser feito.
                """)
        )
    }

    func verification(_ token: OneTimeToken) -> (subject: String, text: String) {
        (
            say("Confirm your e-mail address", "Confirme seu e-mail"),
            say(
                "To confirm that this address is yours, open this link within 24 hours:\n\n",
                "Para confirmar que este endereço é seu, abra este link em até 24 horas:\n\n")
                + link("verify-email", token)
        )
    }

    func passwordReset(_ token: OneTimeToken) -> (subject: String, text: String) {
        (
            say("Reset your password", "Redefina sua senha"),
            say(
                """
                To choose a new password, open this link within 30 minutes:

                \(link("reset-password", token))

                If you did not ask for this, ignore the message: your password stays as it is.
                """,
                """
                Para escolher uma nova senha, abra este link em até 30 minutos:

                \(link("reset-password", token))

                Se você não pediu isto, ignore a mensagem: sua senha continua a mesma.
                """)
        )
    }

    func secondFactor(wasAdded: Bool) -> (subject: String, text: String) {
        let subject =
            wasAdded
            ? say("A second factor was added", "Um segundo fator foi adicionado")
            : say("Your second factor was removed", "Seu segundo fator foi removido")
        let text = say(
            "This happened to your account. If it was not you, change your password at once at:\n\n",
            "Isto aconteceu com a sua conta. Se não foi você, altere sua senha imediatamente em:\n\n")
        return (subject, text + publicURL)
    }

    func passwordChanged() -> (subject: String, text: String) {
        (
            say("Your password was changed", "Sua senha foi alterada"),
            say(
                "Your password was changed, and your other sessions have ended. If it was not you, reset it "
                    + "at once at:\n\n",
                "Sua senha foi alterada e suas outras sessões foram encerradas. Se não foi você, redefina-a "
                    + "imediatamente em:\n\n") + publicURL
        )
    }
}

extension OperationEnvironment {
    func texts(_ language: Language) -> MailTexts { MailTexts(language: language, publicURL: publicURL) }
}
